"""COCO annotations: read, checked, drawn, written; and an experiment on them."""
