"""rig - Kafka, PostgreSQL and a schema registry, started for a test and gone after it.

    with Rig() as rig:
        scene = rig.scene("orders")         # a database, topics and a group of its own
        service = scene.service()           # `usaged`, set up for that scene
        service.migrate()
        service.start()
"""

from .rig import Rig
from .scene import Scene
from .service import Service

__all__ = ["Rig", "Scene", "Service"]
