"""Where networks run and in which precision."""

import torch

PRECISIONS = {
    "float32": torch.float32,
    "bf16": torch.bfloat16,
    "float64": torch.float64,
}


def resolve_device(device):
    """Return the torch device for `device`; ``"auto"`` is CUDA, then MPS, then CPU.

    Raises ValueError if the device is unknown or not there.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"The device {device!r} cannot be used here: {reason}") from error
    if resolved.type == "meta":
        raise ValueError("The device 'meta' cannot be used here: it holds no numbers.")
    return resolved


def _hardware_has_bf16(device):
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        capabilities = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def resolve_precision(precision, device, preferred=None):
    """Return the dtype to compute in.

    Parameters
    ----------
    precision : str
        ``"auto"`` or a key of `PRECISIONS`.
    device : torch.device
        Where the network runs.
    preferred : torch.dtype, default=None
        What the network itself asks for under ``"auto"``.

    Returns
    -------
    torch.dtype
        Under ``"auto"`` bfloat16 where the hardware multiplies it natively, float32 elsewhere.
    """
    if precision != "auto":
        return PRECISIONS[precision]
    if preferred is not None and not (device.type == "mps" and preferred == torch.float64):
        return preferred
    return torch.bfloat16 if _hardware_has_bf16(device) else torch.float32


def fit_for(device, thing):
    """Return a tensor or module as `device` can hold it: MPS has no float64."""
    if torch.device(device).type != "mps":
        return thing
    doubles = isinstance(thing, torch.nn.Module) or thing.dtype == torch.float64
    return thing.float() if doubles else thing


def memory_format(device, dtype, network):
    """Return the memory layout in which convolutions are fastest there, and the network computes.

    A network of the user's own may look at its tensors in one layout alone.
    """
    if not getattr(network, "any_layout", True):
        return torch.contiguous_format
    if device.type == "cpu" or (device.type == "cuda" and dtype == torch.bfloat16):
        return torch.channels_last
    return torch.contiguous_format
