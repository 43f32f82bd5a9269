# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Fish completion for numaplace: verbs, options, keys with their values, and ids of placed containers. Ids are
# untrusted data: fish does not expand the lines of a command's output, and quotes them.

function __numaplace_verb --description 'the verb of the command line so far'
    set -l before
    for word in (commandline -opc)[2..-1]
        if not contains -- "$before" --sysroot --state --conf; and not string match -q -- '-*' $word
            printf '%s\n' $word
            return 0
        end
        set before $word
    end
    return 1
end

function __numaplace_is --description 'whether the verb is one of these'
    set -l verb (__numaplace_verb)
    and contains -- "$verb" $argv
end

function __numaplace_ids --description 'ids of placed containers'
    set -l found 0
    numaplace status 2>/dev/null | while read -l id rest
        test $found = 1
        and printf '%s\n' $id
        test "$id" = CONTAINER
        and set found 1
    end
end

complete -c numaplace -f
complete -c numaplace -l sysroot -x -a '(__fish_complete_directories)' -d 'a recorded machine'
complete -c numaplace -l state -x -a '(__fish_complete_directories)' -d 'the folder of the ledger'
complete -c numaplace -l conf -r -F -d 'the configuration'
complete -c numaplace -l json -d 'one JSON object on stdout'
complete -c numaplace -l help
complete -c numaplace -l version

complete -c numaplace -n 'not __numaplace_verb; or __numaplace_is help' -a 'topology plan status map explain verify move resize run follow rebalance doctor metrics simulate virt incus help'
complete -c numaplace -n '__numaplace_is topology' -l nfd
complete -c numaplace -n '__numaplace_is topology' -l nrt
complete -c numaplace -n '__numaplace_is topology' -l node-name -x
complete -c numaplace -n '__numaplace_is status' -l watch
complete -c numaplace -n '__numaplace_is map metrics' -s o -r -F
complete -c numaplace -n '__numaplace_is rebalance' -l dry-run
complete -c numaplace -n '__numaplace_is rebalance' -l by-use
complete -c numaplace -n '__numaplace_is rebalance' -l max-move -x
complete -c numaplace -n '__numaplace_is follow' -l watch
complete -c numaplace -n '__numaplace_is move resize' -l dry-run
complete -c numaplace -n '__numaplace_is move resize' -l timeout -x
complete -c numaplace -n '__numaplace_is run' -l name -x
complete -c numaplace -n '__numaplace_is verify' -l watch
complete -c numaplace -n '__numaplace_is verify' -l nodes
complete -c numaplace -n '__numaplace_is virt' -l dry-run
complete -c numaplace -n '__numaplace_is virt' -l drop-pins
complete -c numaplace -n '__numaplace_is virt' -l xml -r -F
complete -c numaplace -n '__numaplace_is virt' -a '(virsh --connect qemu:///system list --inactive --name 2> /dev/null)'
complete -c numaplace -n '__numaplace_is incus' -l dry-run
complete -c numaplace -n '__numaplace_is incus' -l project -x
complete -c numaplace -n '__numaplace_is incus' -l socket -r -F
complete -c numaplace -n '__numaplace_is incus' -a place
complete -c numaplace -n '__numaplace_is plan resize run virt' -a 'limits.cpu= limits.cpu.nodes=balanced limits.cpu.exclusive={true,false,isolated} limits.cpu.device={auto,none,require:} limits.cpu.class={any,performance,efficient,isolated} limits.cpu.threads={all,one} limits.cpu.work={compute,latency,bandwidth} limits.cpu.irq={none,away,near} limits.memory= limits.memory.nodes= limits.memory.hugepages=true limits.memory.policy={strict,preferred,interleave,weighted-interleave}'
complete -c numaplace -n '__numaplace_is explain verify move resize' -a '(__numaplace_ids)'
