"""ONNX Runtime as a contestant: FP32, and INT8 by quantize_dynamic (per output channel) on
the graph its own transformer optimizer has fused. Spinning of idle threads on or off."""

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def export(model_dir: str, path) -> None:
    """Writes the model as ONNX with dynamic batch and length (shared with other peers)."""
    import torch

    from peer_torch import load_model
    from workloads import to_arrays

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = load_model(model_dir, "eager")

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).logits

    arrays = to_arrays([[101, 2000, 2001, 2002, 102], [101, 2003, 102]])
    axes = {name: {0: "batch", 1: "length"} for name in INPUTS} | {"logits": {0: "batch"}}
    with torch.no_grad():
        torch.onnx.export(
            Logits().eval(),
            tuple(torch.from_numpy(a) for a in arrays),
            str(path),
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


def fuse(source, target, config) -> dict:
    """Runs the transformer optimizer; returns how many nodes of each fused kind it made."""
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    fused = optimize_model(
        str(source),
        model_type="bert",
        num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"],
        optimization_options=FusionOptions("bert"),
        opt_level=1,
        use_gpu=False,
    )
    fused.save_model_to_file(str(target))
    return {k: v for k, v in fused.get_fused_operator_statistics().items() if v}


def prepare(model_dir: str, cache, mode: str, calibration) -> None:
    """Exports, fuses and quantizes once; later runs find the files in the cache."""
    import json
    from pathlib import Path

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain, fused, int8 = (cache / n for n in ("model.onnx", "fused.onnx", "fused-int8.onnx"))
    if not plain.exists():
        export(model_dir, plain)
    if not fused.exists():
        config = json.loads((Path(model_dir) / "config.json").read_text())
        (cache / "fusions.json").write_text(json.dumps(fuse(plain, fused, config)))
    if mode.startswith("int8") and not int8.exists():
        # Shape inference knows no fused operator: name the type of their results.
        extra = {"DefaultTensorType": onnx.TensorProto.FLOAT}
        quantize_dynamic(
            str(fused),
            str(int8),
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options=extra,
        )


def load(model_dir: str, cache, mode: str, workload, threads: int, example):
    import json

    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    spin = "0" if mode.endswith("nospin") else "1"
    options.add_session_config_entry("session.intra_op.allow_spinning", spin)
    int8 = mode.startswith("int8")
    path = cache / ("fused-int8.onnx" if int8 else "fused.onnx")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}

    def run(ids, mask, types):
        feed = dict(zip(INPUTS, (ids, mask, types)))
        feed = {k: v for k, v in feed.items() if k in wanted}
        return session.run(["logits"], feed)[0]

    settings = {
        "onnxruntime": ort.__version__,
        "threads": threads,
        "spin": spin,
        "optimization": "ORT_ENABLE_ALL on the transformer optimizer's graph",
        "fused": json.loads((cache / "fusions.json").read_text()),
        "weights": "int8 per channel, dynamic u8 activations" if int8 else "fp32",
    }
    return run, settings
