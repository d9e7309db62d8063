"""Lightning as values: the port of a node, invoices, and how a connection stands."""
