# SPDX-License-Identifier: Apache-2.0
#
# Completion for fcgipm-migrate: options, the peer, files.

_fcgipm_migrate()
{
    local cur=${COMP_WORDS[COMP_CWORD]} peer= i

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -D|--define|--write|--php|--httpd) ((++i)) ;;
        -*) ;;
        *) peer=${COMP_WORDS[i]} ;;
        esac
    done
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -D|--define) return ;;
    --write|--php|--httpd)
        COMPREPLY=($(compgen -f -- "$cur"))
        return ;;
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "-D --define --write --httpd --listen --php
                                 --rows --help --version" -- "$cur"))
    elif [[ -z $peer ]]; then
        COMPREPLY=($(compgen -W "mod_fcgid php-fpm" -- "$cur"))
    else
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}

complete -o filenames -F _fcgipm_migrate fcgipm-migrate
