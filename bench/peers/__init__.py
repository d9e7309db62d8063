"""What the benches compare with: others' ways to do it, written as one would."""
