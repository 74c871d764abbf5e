
# Completes values and metrics, whose names the program lists.
_iter8_values() {
    local -a candidates
    candidates=(${(f)"$(iter8 complete $1 "${(Q)PREFIX}" 2>/dev/null)"})
    compadd -S '' -- ${candidates%%$'\t'*}
}
