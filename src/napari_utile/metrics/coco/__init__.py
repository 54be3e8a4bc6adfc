"""The average precision of COCO, from instances instead of masks."""
