
# Completes values and metrics, whose names the program lists, and leaves all other words to the function above.
_iter8_values() {
    local line=${COMP_LINE:0:COMP_POINT} words flag word kind
    read -ra words <<<"$line"
    [[ $line == *' ' ]] && words+=("")
    word=${words[-1]} flag=${words[-2]}
    if [[ $word == --*=* ]]; then
        flag=${word%%=*} word=${word#*=}
    fi
    case $flag in
        --set | --set-string | --set-json | --set-file) kind=set ;;
        --slo) kind=slo ;;
        explain) kind=path ;;
    esac
    if [[ -z $kind || $word == -* ]]; then
        _iter8 "$@"
        return
    fi
    # An open quote.
    word=${word#[\"\']}
    # Readline replaces what follows the last separator only.
    local last=${COMP_WORDS[COMP_CWORD]#[\"\']} IFS=$'\n' candidate
    [[ $last == = || $last == : ]] && last=
    COMPREPLY=()
    for candidate in $("${COMP_WORDS[0]}" complete "$kind" "$word" 2>/dev/null); do
        candidate=${candidate%%$'\t'*}
        COMPREPLY+=("${candidate#"${word%"$last"}"}")
    done
    [[ $kind == path ]] || compopt -o nospace
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *. ]]; then compopt -o nospace; fi
}

# The program is called once per completed word; older shells complete flags only.
if [[ ${BASH_VERSINFO[0]} -gt 4 || ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 ]]; then
    complete -F _iter8_values -o nosort -o bashdefault -o default iter8
fi
