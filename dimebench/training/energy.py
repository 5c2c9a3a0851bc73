"""Energy that a GPU has drawn, from the counter that NVIDIA's driver keeps (NVML, through nvidia-ml-py)."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import torch


def joules_of(device: str) -> Callable[[], float | None] | None:
    """A function that gives the joules that the whole device has drawn since this call, or None once the counter
    cannot be read any more. None where there is no counter.

    The counter is the device's own (from Volta on): other programs on the device count too.
    """
    if not device.startswith("cuda"):
        return None
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        # By its identity: CUDA_VISIBLE_DEVICES numbers the devices anew.
        uuid = str(torch.cuda.get_device_properties(device).uuid)
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
        begun = nvml.nvmlDeviceGetTotalEnergyConsumption(handle)  # mJ since the driver was loaded
    except Exception:  # no package, no driver, a device without a counter: then energy is not recorded
        return None

    def joules() -> float | None:
        try:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle) - begun) / 1000.0
        except Exception:  # training does not stop for it
            return None

    return joules
