# SPDX-License-Identifier: MIT
# Completion of websessctl(1) for bash. Services and ids are asked of the broker, and only those the caller may see come.

_websessctl_services() {
        websessctl services --no-legend --no-pager --timeout=1s 2>/dev/null
}

_websessctl_ids() {
        local id
        websessctl list --no-legend --no-pager --timeout=1s --limit=1000 2>/dev/null | while read -r id _; do
                echo "$id"
        done
}

# What may follow an option that takes a value; nothing where only the user knows.
_websessctl_value() {
        case $1 in
        --json) echo "short pretty off" ;;
        -s | --service) _websessctl_services ;;
        --except) _websessctl_ids ;;
        -u | --user | --user-prefix | --attr | -a | --method | --user-agent | --request-id | --cookie-name | --unset) ;;
        -r | --role | -n | --limit | --after | --if-version | --level | --timeout | --idle | --lifetime | --max-age) ;;
        --remote-host) ;;
        *) return 1 ;;
        esac
}

_websessctl() {
        local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb='' words='' word i n=0
        local common='-h --help --version --json -q --quiet --no-legend --no-pager --timeout'
        local beginning='--role --attr --method --level --remote-host --user-agent --idle --lifetime --remember --request-id'
        local -A options=(
                [list]='--service --user --user-prefix --role --limit --after'
                [login]=$beginning
                [create]=$beginning
                [resolve]='--role --level --max-age --no-touch --allow-anonymous --cookie --cookie-name --cgi'
                [explain]='--service --role --level --max-age --allow-anonymous'
                [rotate]='--request-id'
                [set-attr]='--unset --if-version'
                [set-roles]='--user'
                [revoke-user]='--except --prefix'
                [watch]='--service --user --limit'
                [status]='' [doctor]='' [services]='' [show]='' [logout]='' [touch]='' [revoke]='' [revoke-all]='' [reload]='' [reset-throttle]=''
                [backup]=''
        )

        # `--option=value` comes as three words: the equals sign parts them.
        if [[ $current == '=' ]]; then
                current='' && word=$previous
        elif [[ $previous == '=' ]]; then
                word=${COMP_WORDS[COMP_CWORD - 2]}
        else
                word=$previous
        fi
        for ((i = 1; i < COMP_CWORD; i++)); do
                [[ ${COMP_WORDS[i]} == [-=]* || ${COMP_WORDS[i - 1]} == '=' ]] && continue
                if [[ -z $verb ]]; then
                        [[ -v options[${COMP_WORDS[i]}] ]] && verb=${COMP_WORDS[i]}
                else
                        ((n++))
                fi
        done

        # What set-roles takes depends on an option of its own, which takes no value.
        [[ $verb == set-roles && " ${COMP_WORDS[*]} " =~ ' '(-u|--user)' ' ]] && verb=set-user-roles
        if [[ $word == -* && ! ($verb == set-user-roles && $word =~ ^(-u|--user)$) ]] && words=$(_websessctl_value "$word"); then
                :
        elif [[ $current == -* ]]; then
                words="$common ${verb:+${options[$verb]-}}"
        elif [[ -z $verb ]]; then
                words="${!options[*]}"
        else
                case $verb:$n in
                set-user-roles:0 | login:0 | create:0 | resolve:0 | rotate:0 | logout:0 | set-attr:0 | touch:0 | revoke-user:0 | revoke-all:0 | \
                        reset-throttle:0)
                        words=$(_websessctl_services) ;;
                show:* | explain:0 | revoke:* | touch:* | set-roles:0) words=$(_websessctl_ids) ;;
                backup:0) compopt -o default 2>/dev/null ;;
                esac
        fi
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _websessctl websessctl
