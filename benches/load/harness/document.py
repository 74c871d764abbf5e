"""Reads measurements from iter8's experiment document."""

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text):
    """Seconds of a duration in the document's format (`1m2.5s`)."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9.]+)(ns|us|µs|ms|s|m|h)", text))


def _scalar(text):
    text = text.strip()
    if text in ("", "null", "~"):
        return None
    if text[0] in "\"'":
        return text[1:-1]
    try:
        return float(text) if not text.isdigit() else int(text)
    except ValueError:
        return text


def load_record(document):
    """The first record of `result.insights.load`: the fields of its `http` or `grpc` as a dict, one level of maps deep.

    This reads the block style that iter8 writes, not YAML at large: Python's standard library has no YAML.
    """
    lines = document.splitlines()
    start = next((number for number, line in enumerate(lines) if line.strip() == "load:"), None)
    if start is None:
        return {}
    record, parent, base = {}, None, None
    for line in lines[start + 1:]:
        indent = len(line) - len(line.lstrip(" -"))
        match = re.match(r"^[\s-]*([^:\s]+):(.*)$", line)
        if not match:
            continue
        key, value = match.group(1).strip("'\""), match.group(2)
        if base is None:
            # `- http:`: the measurements follow.
            if value.strip() == "":
                base = indent
            continue
        if indent <= base or line.lstrip().startswith("- "):
            if indent <= base:
                break
            continue
        if parent is not None and indent > parent[0]:
            record[parent[1]][key] = _scalar(value)
        elif value.strip() == "":
            parent, record[key] = (indent, key), {}
        else:
            parent, record[key] = None, _scalar(value)
    return record
