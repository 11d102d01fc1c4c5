"""PyTorch FP32 as a contestant: eager (SDPA attention), torch.compile with frozen weights,
and the traced, frozen graph of torch.jit; for images each in either memory format. Weights are
widened to FP32; no reduced-precision matrix products are allowed.

On a GPU (cuda-half-eager, cuda-half-compile) weights and activations are FP16 with fused attention;
a run brings its inputs to the GPU and the logits back."""

import os

from models import is_image_model, load_module


def prepare(model_dir: str, cache, mode: str, calibration) -> None:
    """Nothing is exported; compiled kernels are cached by the worker itself."""


def load(model_dir: str, cache, mode: str, workload, threads: int, example):
    """Returns (run, settings); run takes the arrays of one call and returns the logits."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache / "inductor")
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    import torch

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    settings = {"torch": torch.__version__, "threads": torch.get_num_threads(), "weights": "fp32"}
    model = load_module(model_dir)
    if is_image_model(model_dir):
        last = mode.endswith("channels-last")
        settings["memory"] = "channels last" if last else "channels first"
        model = model.to(memory_format=torch.channels_last) if last else model
    else:
        settings["attention"] = "sdpa"

    function = model
    if mode.startswith("cuda"):
        return _load_cuda(model, mode, workload, settings)
    if mode.startswith("compile"):
        import torch._inductor.config as inductor

        inductor.freezing = True
        tuning = "max-autotune-no-cudagraphs" if "autotune" in mode else "default"
        function = torch.compile(model, dynamic=bool(workload.data), mode=tuning)
        settings["compile"] = f"inductor, freezing, dynamic={bool(workload.data)}, {tuning}"
    elif mode.startswith("frozen"):
        function = _freeze(model, example)
        settings["jit"] = "trace, freeze, optimize_for_inference"

    def run(*arrays):
        with torch.inference_mode():
            return function(*(torch.from_numpy(a) for a in arrays)).numpy()

    return run, settings


def _load_cuda(model, mode: str, workload, settings: dict):
    import torch

    function = model.half().cuda()
    settings |= {"weights": "fp16", "gpu": torch.cuda.get_device_name()}
    if mode.endswith("compile"):
        dynamic = bool(workload.data)
        # With fixed shapes this mode also records CUDA graphs.
        function = torch.compile(function, dynamic=dynamic, mode="max-autotune")
        settings["compile"] = f"inductor, dynamic={dynamic}, max-autotune"

    def run(*arrays):
        with torch.inference_mode():
            logits = function(*(torch.from_numpy(a).cuda() for a in arrays))
            return logits.float().cpu().numpy()

    return run, settings


def _freeze(model, example):
    import torch

    with torch.no_grad():
        tensors = tuple(torch.from_numpy(a) for a in example)
        traced = torch.jit.trace(model, tensors, strict=False)
        return torch.jit.optimize_for_inference(torch.jit.freeze(traced))
