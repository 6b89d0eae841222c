"""demo - the main job on real parts, for a person to watch."""
