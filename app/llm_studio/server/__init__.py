"""The studio's faces: the gateway for inference, the management API, and who may use them."""
