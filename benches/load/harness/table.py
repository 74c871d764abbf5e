"""Medians and Markdown."""

import statistics


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else float("nan")


def spread(values, form="{:.2f}"):
    """`median (least-greatest)`."""
    values = [value for value in values if value is not None]
    if not values:
        return "–"
    text = form.format(statistics.median(values))
    if len(values) > 1:
        text += f" ({form.format(min(values))}–{form.format(max(values))})"
    return text


def markdown(head, rows):
    """A table; columns after the first are right-aligned."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
