"""Lightning nodes over their own wires: each is a `LightningNode` (engine/ports.py)."""
