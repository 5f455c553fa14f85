# For the scripts beside it: the settings of /etc/lux/lux.env, read as systemd reads them. Nothing in it is carried out.

# Puts every NAME=value of a file into the environment.
load_settings() {
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '#'* | ';'*) continue ;;
        *=*) ;;
        *) continue ;;
        esac
        name=${line%%=*} value=${line#*=}
        case $name in
        '' | [0-9]* | *[!A-Za-z0-9_]*) continue ;;
        esac
        case $value in
        \"*\") value=${value#?} && value=${value%?} ;;
        \'*\') value=${value#?} && value=${value%?} ;;
        esac
        export "$name=$value"
    done <"$1"
}

# Takes the password out of DATABASE_URL and hands it to PostgreSQL's programs by the environment: what stands in a
# command line, everybody on the machine can read.
hide_password() {
    login=${DATABASE_URL#*://}
    login=${login%%@*}
    [ "$login" != "${DATABASE_URL#*://}" ] || return 0
    case $login in
    *:*) ;;
    *) return 0 ;;
    esac
    PGPASSWORD=$(printf %s "${login#*:}" | python3 -c 'import sys, urllib.parse as u; print(u.unquote(sys.stdin.read()), end="")')
    DATABASE_URL="${DATABASE_URL%%://*}://${login%%:*}@${DATABASE_URL#*@}"
    export PGPASSWORD DATABASE_URL
}
