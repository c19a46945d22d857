"""`sernet-edge listen`: its options, its loop, and what belongs to a listening device."""
