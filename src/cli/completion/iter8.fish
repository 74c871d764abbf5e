
# Completes values and metrics, whose names the program lists.
function __iter8_values
    iter8 complete $argv[1] (commandline -ct | string replace -r '^--[a-z-]+=' '' | string trim -l -c '"\'') 2>/dev/null
end
for flag in set set-string set-json set-file
    complete -c iter8 -l $flag -x -a '(__iter8_values set)'
end
complete -c iter8 -l slo -x -a '(__iter8_values slo)'
complete -c iter8 -n "__fish_iter8_using_subcommand explain" -x -a '(__iter8_values path)'
