"""ONNX Runtime as a contestant: FP32; INT8 by quantize_dynamic (per output channel) on the graph
its own transformer optimizer has fused; INT8 by quantize_static (quantize-dequantize pairs, per
output channel, min-max ranges) for images. Spinning of idle threads on or off."""

import json

from models import image_settings, input_names, is_image_model, load_module, transformer_shape


def export(model_dir: str, path) -> None:
    """Writes the model as ONNX with dynamic batch and length (shared with other peers)."""
    import torch

    from images import image_batch, random_images
    from workloads import to_arrays

    names = input_names(model_dir)
    if is_image_model(model_dir):
        free = {0: "batch"}
        example = (image_batch(random_images(2, image_settings(model_dir)["input_size"][1])),)
    else:
        free = {0: "batch", 1: "length"}
        example = to_arrays([[101, 2000, 2001, 2002, 102], [101, 2003, 102]])
    with torch.no_grad():
        torch.onnx.export(
            load_module(model_dir, "eager"),
            tuple(torch.from_numpy(a) for a in example),
            str(path),
            input_names=list(names),
            output_names=["logits"],
            dynamic_axes={name: free for name in names} | {"logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )


def fuse(source, target, shape: tuple[str, int, int]) -> dict:
    """Runs the transformer optimizer; returns how many nodes of each fused kind it made."""
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    family, heads, width = shape
    fused = optimize_model(
        str(source),
        model_type=family,
        num_heads=heads,
        hidden_size=width,
        optimization_options=FusionOptions(family),
        opt_level=1,
        use_gpu=False,
    )
    fused.save_model_to_file(str(target))
    return {k: v for k, v in fused.get_fused_operator_statistics().items() if v}


def float_graph(model_dir: str) -> str:
    return "fused.onnx" if transformer_shape(model_dir) else "model.onnx"


def quantized_graph(mode: str) -> str:
    return "static-int8.onnx" if "static" in mode else "fused-int8.onnx"


def prepare(model_dir: str, cache, mode: str, calibration) -> None:
    """Exports, fuses and quantizes once; later runs find the files in the cache."""
    plain = cache / "model.onnx"
    if not plain.exists():
        export(model_dir, plain)
    source = cache / float_graph(model_dir)
    if not source.exists():
        (cache / "fusions.json").write_text(
            json.dumps(fuse(plain, source, transformer_shape(model_dir)))
        )
    target = cache / quantized_graph(mode)
    if not mode.startswith("int8") or target.exists():
        return
    if "static" in mode:
        _quantize_static(plain, target, input_names(model_dir), calibration())
    else:
        _quantize_dynamic(source, target)


def _quantize_dynamic(source, target) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(source),
        str(target),
        per_channel=True,
        weight_type=QuantType.QInt8,
        # Shape inference knows no fused operator: name the type of their results.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def _quantize_static(source, target, names, samples) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.samples = iter(samples)

        def get_next(self):
            arrays = next(self.samples, None)
            return None if arrays is None else dict(zip(names, arrays))

    clean = target.with_name("preprocessed.onnx")
    quant_pre_process(str(source), str(clean), skip_symbolic_shape=True)
    quantize_static(
        str(clean),
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def load(model_dir: str, cache, mode: str, workload, threads: int, example):
    import onnxruntime as ort

    inputs = input_names(model_dir)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    if workload.image_size:
        options.add_free_dimension_override_by_name("batch", workload.batch)
    spin = "0" if mode.endswith("nospin") else "1"
    options.add_session_config_entry("session.intra_op.allow_spinning", spin)
    int8, static = mode.startswith("int8"), "static" in mode
    path = cache / (quantized_graph(mode) if int8 else float_graph(model_dir))
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}

    def run(*arrays):
        feed = {k: v for k, v in zip(inputs, arrays) if k in wanted}
        return session.run(["logits"], feed)[0]

    settings = {
        "onnxruntime": ort.__version__,
        "threads": threads,
        "spin": spin,
        "optimization": "ORT_ENABLE_ALL",
        "weights": "fp32",
    }
    if int8:
        scheme = "static" if static else "dynamic"
        settings["weights"] = f"int8 per channel, {scheme} u8 activations"
    if not static and (cache / "fusions.json").exists():
        settings["optimization"] += " on the transformer optimizer's graph"
        settings["fused"] = json.loads((cache / "fusions.json").read_text())
    return run, settings
