"""The comparison as Markdown; the JSON beside it holds everything shown here and more."""


def _interval(ratio: dict) -> str:
    return f"{ratio['median']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]"


def _contestants(result: dict) -> list[str]:
    sample = "image" if result["settings"]["image_size"] else "text"
    rows = [f"| contestant | min ms | p50 ms | p99 ms | {sample}s/s | load ms | first answer ms | "
            "peak MiB | accuracy |", "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for name, c in result["contestants"].items():
        first = f"{c['first_answer_ms']:.0f}" if c.get("first_answer_ms") else "-"
        accuracy = f"{c['accuracy']:.4f}" if c.get("accuracy") is not None else "-"
        rows.append(f"| {name} | {c['latency_ms']['min']:.2f} | {c['latency_ms']['p50']:.2f} | "
                    f"{c['latency_ms']['p99']:.2f} | "
                    f"{c[f'{sample}s_per_s']:.1f} | {c['load_ms']:.0f} | {first} | "
                    f"{c['peak_mb']:.0f} | {accuracy} |")
    return rows


def _ratios(result: dict) -> list[str]:
    rows = [f"| opponent | time / {result['reference']}'s [95 %] | pairs | stolen CPU |",
            "|---|--:|--:|--:|"]
    for name, c in result["comparisons"].items():
        rows.append(f"| {name} | {_interval(c['ratio'])} | {c['ratio']['pairs']} | "
                    f"{100 * c['stolen']:.1f} % |")
    failed = result.get("failed", {})
    return rows + [f"| {name} | failed: {why} | - | - |" for name, why in failed.items()]


def markdown(report: dict) -> str:
    machine = report["machine"]
    lines = [f"# Comparison on {machine['cpu']}", "",
             f"CPUs {machine['cpus']}, {report['threads']} threads, kernel {machine['kernel']}; "
             f"features {', '.join(machine['features'])}.",
             f"Model: {report['model']}.",
             f"Blocks of {report['block_s']} s in the order A B B A; a ratio is the median over "
             "pairs of neighbouring blocks with a bootstrap interval. The null row compares two "
             "processes of the reference: differences inside its interval mean nothing.", ""]
    for result in report["workloads"]:
        lines += [f"## {result['workload']}", "", *_contestants(result), "", *_ratios(result), ""]
    lines += ["## Versions and settings", ""]
    seen = {}
    for result in report["workloads"]:
        for name, c in result["contestants"].items():
            text = ", ".join(f"{k} {v}" for k, v in c["settings"].items())
            seen.setdefault((name, text), []).append(result["workload"])
    for (name, text), workloads in seen.items():
        lines.append(f"- {name} ({', '.join(workloads)}): {text or 'none reported'}")
    return "\n".join(lines) + "\n"
