"""Power cuts: the journal's files as a disk may leave them, and what is found there."""
