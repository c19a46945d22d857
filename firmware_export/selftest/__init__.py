"""`sernet-edge selftest`: a board over a serial line, compared with this computer."""
