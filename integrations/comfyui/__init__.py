"""photochrom's nodes for ComfyUI; README.md tells how to install them."""

try:
    import photochrom  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        "the photochrom nodes need the photochrom package in ComfyUI's own Python: "
        "install it there with pip, as the nodes' README says, and start ComfyUI again"
    ) from error

from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
