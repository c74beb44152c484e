"""membrane: how an endosome makes exosomes."""
