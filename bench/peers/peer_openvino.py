"""OpenVINO as a contestant: FP32, and INT8 by NNCF post-training quantization calibrated on
real tokens or images; latency hint, static shapes where the workload's shape is fixed."""

from models import input_names, transformer_shape


def prepare(model_dir: str, cache, mode: str, calibration) -> None:
    """Converts and quantizes once. `calibration()` lists the arrays of one call each."""
    import openvino as ov

    import peer_onnxruntime

    plain, int8 = cache / "model.onnx", cache / "openvino-int8.xml"
    if not plain.exists():
        peer_onnxruntime.export(model_dir, plain)
    if not mode.startswith("int8") or int8.exists():
        return
    import nncf

    names = input_names(model_dir)
    samples = [dict(zip(names, arrays)) for arrays in calibration()]
    model = nncf.quantize(
        ov.Core().read_model(plain),
        nncf.Dataset(samples),
        model_type=nncf.ModelType.TRANSFORMER if transformer_shape(model_dir) else None,
        subset_size=len(samples),
    )
    ov.save_model(model, int8, compress_to_fp16=False)


def load(model_dir: str, cache, mode: str, workload, threads: int, example):
    import openvino as ov

    inputs = input_names(model_dir)
    core = ov.Core()
    path = cache / ("openvino-int8.xml" if mode.startswith("int8") else "model.onnx")
    model = core.read_model(path)
    if not workload.data:
        model.reshape({name: list(array.shape) for name, array in zip(inputs, example)})
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    if mode.endswith("f32") or mode == "fp32":
        config["INFERENCE_PRECISION_HINT"] = "f32"
    compiled = core.compile_model(model, "CPU", config)
    request = compiled.create_infer_request()

    def run(*arrays):
        request.infer(dict(zip(inputs, arrays)), share_inputs=True)
        return request.get_output_tensor().data

    names = ("PERFORMANCE_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS",
             "INFERENCE_PRECISION_HINT", "ENABLE_CPU_PINNING", "ENABLE_HYPER_THREADING")
    settings = {n.lower(): str(compiled.get_property(n)) for n in names}
    settings["openvino"] = ov.__version__
    settings["shapes"] = "dynamic" if workload.data else "static"
    if mode.startswith("int8"):
        kind = "transformer" if transformer_shape(model_dir) else "default"
        settings["weights"] = f"int8, NNCF post-training quantization, {kind} model type"
    return run, settings
