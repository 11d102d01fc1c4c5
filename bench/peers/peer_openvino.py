"""OpenVINO as a contestant: FP32, and INT8 by NNCF post-training quantization calibrated on
real tokens; latency hint, static shapes where the workload's shape is fixed."""

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def prepare(model_dir: str, cache, mode: str, calibration) -> None:
    """Converts and quantizes once. `calibration` is a list of (ids, mask, types) arrays."""
    import openvino as ov

    import peer_onnxruntime

    plain, int8 = cache / "model.onnx", cache / "openvino-int8.xml"
    if not plain.exists():
        peer_onnxruntime.export(model_dir, plain)
    if not mode.startswith("int8") or int8.exists():
        return
    import nncf

    samples = nncf.Dataset([dict(zip(INPUTS, arrays)) for arrays in calibration])
    model = nncf.quantize(
        ov.Core().read_model(plain),
        samples,
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(calibration),
    )
    ov.save_model(model, int8, compress_to_fp16=False)


def load(model_dir: str, cache, mode: str, workload, threads: int, example):
    import openvino as ov

    core = ov.Core()
    path = cache / ("openvino-int8.xml" if mode.startswith("int8") else "model.onnx")
    model = core.read_model(path)
    if not workload.data:
        model.reshape({name: list(example[0].shape) for name in INPUTS})
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    if mode.endswith("f32") or mode == "fp32":
        config["INFERENCE_PRECISION_HINT"] = "f32"
    compiled = core.compile_model(model, "CPU", config)
    request = compiled.create_infer_request()

    def run(ids, mask, types):
        request.infer(dict(zip(INPUTS, (ids, mask, types))), share_inputs=True)
        return request.get_output_tensor().data

    names = ("PERFORMANCE_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS",
             "INFERENCE_PRECISION_HINT", "ENABLE_CPU_PINNING", "ENABLE_HYPER_THREADING")
    settings = {n.lower(): str(compiled.get_property(n)) for n in names}
    settings["openvino"] = ov.__version__
    settings["shapes"] = "dynamic" if workload.data else "static"
    if mode.startswith("int8"):
        settings["weights"] = "int8, NNCF post-training quantization, transformer model type"
    return run, settings
