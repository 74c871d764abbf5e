//! Decides from its text whether a jq expression considers all series of a Prometheus response.
//!
//! An expression that picks one of several series gives the value of an arbitrary one. If in doubt, an expression counts as picking.

/// Returns true if an expression visits every series, and picks none of them or of their values by position.
pub(super) fn considers_all(expression: &str) -> bool {
    let plain: String = expression.split_whitespace().collect();
    let visits_all = ["result[]", "result|length", "result|map(", "result|map_values(", "result|add("];
    let rest = without_values(&plain);
    let picks = ["foreach", "first", "last", "limit(", "nth(", "getpath(", "input", "[:", "..", "try", "?"];
    // Only `[]` and a field in quotes are no position.
    let is_position = |at: usize| !rest[at + 1..].starts_with([']', '"']) && !starts_collection(&rest, at);
    let picks_by_position = rest.match_indices('[').any(|(at, _)| is_position(at));
    // A reduction that ignores what it has so far ends with the last series.
    let picks_last = plain.contains("reduce") && !plain.contains(";.");
    visits_all.iter().any(|visit| plain.contains(visit))
        && !picks.iter().any(|pick| rest.contains(pick))
        && !picks_by_position
        && !picks_last
}

/// Returns true if the bracket at `at` starts a list (`[.data.result[]…]`) rather than an index (`.result[0]`).
fn starts_collection(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ']' | ')' | '.' | '"'))
}

/// Removes the parts that select the value of one series: `.value[1]`, `.values[-1][1]`.
fn without_values(text: &str) -> String {
    let mut rest = text.to_owned();
    for part in [".values[-1][1]", ".values[0][1]", ".value[1]", ".value[0]", ".values[][1]"] {
        rest = rest.replace(part, "");
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_over_all_series_are_known() {
        for expression in [
            ".data.result | length",
            "(.data.result | length) * 2",
            "[.data.result[].value[1] | tonumber] | add",
            "[ .data.result[] | .value[1] | tonumber ] | add / length",
            "[.data.result[].values[-1][1] | tonumber] | max",
            "[.data.result[].value[1] | tonumber] | add // 0",
            "[.data.result[] | select(.metric[\"pod\"] == \"a\") | .value[1]] | length",
            ".data.result | map(.value[1] | tonumber) | add",
            "[.data.result[] | select(.metric.pod == \"a\") | .value[1] | tonumber] | add",
            "reduce .data.result[] as $x (0; . + ($x.value[1] | tonumber))",
        ] {
            assert!(considers_all(expression), "{expression}");
        }
    }

    #[test]
    fn expressions_that_pick_a_series_and_doubtful_ones_are_not() {
        for expression in [
            ".data.result[0].value[1] | tonumber",
            ".data.result[0].value[1] | tonumber * 100",
            ".data.result[-1].value[1]",
            ".data.result[0:1] | .[].value[1]",
            "first(.data.result[].value[1])",
            "[.data.result[].value[1] | tonumber] | first",
            "[.data.result[].value[1] | tonumber] | .[0]",
            "[.data.result[].value[1] | tonumber][0]",
            "[limit(1; .data.result[].value[1] | tonumber)] | add",
            "nth(0; .data.result[].value[1])",
            "[.data.result[].value[1] | tonumber] | .[length - 1]",
            "0 as $i | .data.result | .[$i].value[1]",
            ".data.result | length as $n | .data.result[$n - 1].value[1]",
            "[.. | .value? | .[1]?] | add",
            "reduce .data.result[] as $x (0; $x.value[1] | tonumber)",
            ".status",
        ] {
            assert!(!considers_all(expression), "{expression}");
        }
    }
}
