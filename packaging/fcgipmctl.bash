# SPDX-License-Identifier: Apache-2.0
#
# Completion for fcgipmctl: commands, pools, workers.  Pools and workers come
# from the manager on the socket of the command line; a user who may not ask it
# gets none.

# Lines of fcgipmctl --json status, edited by sed.
_fcgipmctl_ask()
{
    "${COMP_WORDS[0]}" ${socket:+-s "$socket"} --json status 2>/dev/null |
        tr '{' '\n' | sed -n "$1"
}

_fcgipmctl_pools()
{
    _fcgipmctl_ask 's/^"name":"\([^"]*\)".*/\1/p'
}

_fcgipmctl_pids()
{
    _fcgipmctl_ask 's/^"pid":\([0-9]*\),"state".*/\1/p'
}

_fcgipmctl()
{
    local cur=${COMP_WORDS[COMP_CWORD]} word= socket= pool= i
    local words="ping status config reload start stop drain scale kill top check"

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --filter|-w|--warning|-c|--critical) ((++i)) ;;
        -s|--socket)
            ((++i < COMP_CWORD)) && socket=${COMP_WORDS[i]} ;;
        -*) ;;
        *)  if [[ -z $word ]]; then word=${COMP_WORDS[i]}
            else pool=${COMP_WORDS[i]}; fi ;;
        esac
    done
    if [[ ${COMP_WORDS[COMP_CWORD - 1]} == @(-s|--socket) ]]; then
        COMPREPLY=($(compgen -f -- "$cur"))
    elif [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "-s --socket --json --wait --filter --warning
                                 --critical --help --version" -- "$cur"))
    elif [[ -z $word ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    elif [[ $word == kill ]]; then
        COMPREPLY=($(compgen -W "$(_fcgipmctl_pids)" -- "$cur"))
    elif [[ -z $pool && $word != ping ]]; then
        COMPREPLY=($(compgen -W "$(_fcgipmctl_pools)" -- "$cur"))
    elif [[ $word == reload ]]; then
        COMPREPLY=($(compgen -W "wait" -- "$cur"))
    fi
}

complete -o default -F _fcgipmctl fcgipmctl
