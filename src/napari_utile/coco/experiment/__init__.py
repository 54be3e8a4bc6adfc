"""Networks trained on COCO images and scored as COCO does."""
