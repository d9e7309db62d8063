"""A real Lightning network on this machine, for the demo and the tests: a Bitcoin node,
ElectrumX, two Electrum. Not part of a node: `serve` never imports it."""
