"""PyTorch FP32 as a contestant: eager (SDPA attention), torch.compile with frozen weights,
and the traced, frozen graph of torch.jit. Weights are widened to FP32; no reduced-precision
matrix products are allowed."""

import os


def load_model(model_dir: str, attention: str = "sdpa"):
    """The directory's model in FP32, ready for inference."""
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        model_dir, dtype=torch.float32, attn_implementation=attention
    )
    return model.eval()


def prepare(model_dir: str, cache, mode: str, calibration) -> None:
    """Nothing is exported; compiled kernels are cached by the worker itself."""


def load(model_dir: str, cache, mode: str, workload, threads: int, example):
    """Returns (run, settings); run takes the three id arrays and returns the logits."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache / "inductor")
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    import torch

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    settings = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "weights": "fp32",
        "attention": "sdpa",
    }
    model = load_model(model_dir)

    def forward(ids, mask, types):
        return model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits

    function = forward
    if mode.startswith("compile"):
        import torch._inductor.config as inductor

        inductor.freezing = True
        tuning = "max-autotune-no-cudagraphs" if mode.endswith("autotune") else "default"
        function = torch.compile(forward, dynamic=bool(workload.data), mode=tuning)
        settings["compile"] = f"inductor, freezing, dynamic={bool(workload.data)}, {tuning}"
    elif mode == "frozen":
        function = _freeze(model, example)
        settings["jit"] = "trace, freeze, optimize_for_inference"

    def run(ids, mask, types):
        with torch.inference_mode():
            tensors = [torch.from_numpy(a) for a in (ids, mask, types)]
            return function(*tensors).numpy()

    return run, settings


def _freeze(model, example):
    import torch

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids, mask, types):
            return self.model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits

    with torch.no_grad():
        tensors = tuple(torch.from_numpy(a) for a in example)
        traced = torch.jit.trace(Logits().eval(), tensors, strict=False)
        return torch.jit.optimize_for_inference(torch.jit.freeze(traced))
