#!/bin/sh
# Serves the sample's three records without Grove, with the commands that a person would type: the same packages, wheels
# and files.
# Usage: plain.sh REPOSITORY
set -eu
project=$1/wsgi/pecan_test_project
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends apache2 apache2-dev gcc python3-dev python3-venv ca-certificates >/dev/null

python3 -m venv /opt/uv
/opt/uv/bin/pip install -q --require-hashes -r "$1/roles/uv/files/uv-0.13.9.lock"
uv=/opt/uv/bin/uv

$uv venv -q --python /usr/bin/python3 /opt/mod_wsgi
$uv pip sync -q --python /opt/mod_wsgi/bin/python --require-hashes "$1/roles/mod_wsgi/files/mod_wsgi-6.1.1.lock"
/opt/mod_wsgi/bin/mod_wsgi-express module-config | grep LoadModule >/etc/apache2/mods-available/wsgi.load
a2enmod -q wsgi >/dev/null
a2dissite -q 000-default >/dev/null
echo >/etc/apache2/ports.conf

port=8080
for app in test1 test2 test3; do
    useradd --system --user-group --home-dir "/var/lib/$app" --shell /usr/sbin/nologin "$app"
    install -d -o "$app" -g "$app" "/var/lib/$app" "/var/log/$app"
    mkdir -p "/srv/wsgi/$app"
    cp "$project/config.py" "$project/api-paste.ini" "/srv/wsgi/$app"
    $uv venv -q --python /usr/bin/python3 "/srv/wsgi/$app/venv"
    python="/srv/wsgi/$app/venv/bin/python"
    $uv pip sync -q --python "$python" --require-hashes --compile-bytecode "$project/requirements.lock"
    $uv pip install -q --python "$python" --no-deps --compile-bytecode "$project"
    case $app in
        test1) entry="from pecan.deploy import deploy; application = deploy('/srv/wsgi/$app/config.py')" ;;
        test2) entry="from paste.deploy import loadapp; application = loadapp('config:/srv/wsgi/$app/api-paste.ini')" ;;
        test3) entry="import os; os.environ['PECAN_CONFIG'] = '/srv/wsgi/$app/config.py'
from pecan_test_project.wsgi import application" ;;
    esac
    echo "$entry" >"/srv/wsgi/$app/app.wsgi"
    echo "Listen 127.0.0.1:$port" >>/etc/apache2/ports.conf
    cat >"/etc/apache2/sites-available/$app.conf" <<END
WSGIDaemonProcess $app user=$app group=$app processes=4 threads=4 python-home=/srv/wsgi/$app/venv
<VirtualHost 127.0.0.1:$port>
    WSGIScriptAlias / /srv/wsgi/$app/app.wsgi process-group=$app application-group=%{GLOBAL}
    <Directory /srv/wsgi/$app>
        Require all granted
    </Directory>
</VirtualHost>
END
    a2ensite -q "$app" >/dev/null
    port=$((port + 1))
done
apachectl configtest 2>/dev/null
apachectl stop 2>/dev/null || true
while pgrep -x apache2 >/dev/null; do sleep 0.1; done
apachectl start 2>/dev/null
for port in 8080 8081 8082; do
    python3 -c "import urllib.request as u; assert u.urlopen('http://127.0.0.1:$port/').status == 200"
done
