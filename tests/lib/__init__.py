"""lib - records with known outcomes, publishing, reading back, comparing. Shares no code with the service."""
