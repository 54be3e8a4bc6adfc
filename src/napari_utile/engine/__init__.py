"""The torch engine: the only room that trains and predicts."""
