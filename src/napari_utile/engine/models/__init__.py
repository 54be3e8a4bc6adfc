"""A network with all that is needed to use it, in memory and as a BioImage.IO package."""
