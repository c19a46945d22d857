"""Audio from files, pipes and microphones, as mono int16 at the contract's rate."""
