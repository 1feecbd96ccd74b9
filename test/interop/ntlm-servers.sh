#!/usr/bin/env bash
# Real NTLM servers on loopback, none of them written by this project. Debian, as root.
#
#   ntlm-servers.sh start     write configurations and start
#   ntlm-servers.sh stop      end only the processes that this script started
#
# apache   httpd + mod_auth_gssapi + gss-ntlmssp: http and https, 401 NTLM
# winbindd Samba with an account database of its own (no TCP port)
# squid    forward proxy, 407 NTLM, Samba's ntlm_auth: http and CONNECT
# squid    accelerator, 401 NTLM, Samba's ntlm_auth, in front of apache
# cbt      https, python3-gssapi over gss-ntlmssp, which can demand channel bindings; the glue is
#          ours, the checks of NTLM, of the message code and of the bindings are not
#
# NTLM_LAB_DIR is the folder of configurations, logs and process numbers; NTLM_LAB_HTTP,
# NTLM_LAB_HTTPS, NTLM_LAB_SQUID, NTLM_LAB_ACCEL and NTLM_LAB_CBT are the ports. Everything binds
# 127.0.0.1. The passwords below are valid nowhere else.
set -euo pipefail

LAB=${NTLM_LAB_DIR:-${TMPDIR:-/tmp}/ntlm-lab}
P_HTTP=${NTLM_LAB_HTTP:-18480}
P_HTTPS=${NTLM_LAB_HTTPS:-18443}
P_SQUID=${NTLM_LAB_SQUID:-18428}
P_ACCEL=${NTLM_LAB_ACCEL:-18481}
P_CBT=${NTLM_LAB_CBT:-18444}
H=127.0.0.1

# Throw-away credentials of this lab, valid nowhere else.
G_DOM=LABDOM
G_USER=alice;   G_PASS='Alice-Pass-1'
G_USER2=bob;    G_PASS2='Bob-Pass-2'
G_USER3='jürgen'; G_PASS3='Pässwörd-€-9'
S_DOM=LABSRV
S_USER=games;   S_PASS='Gam3s-Pass!'      # needs an existing unix account
WB_SOCK=/run/samba/winbindd               # compiled into Debian's libwbclient

say() { printf '%s\n' "$*"; }
die() { printf 'ntlm-servers: %s\n' "$*" >&2; exit 1; }

# ---- processes: remember pid + kernel start time, so a reused pid is left alone
starttime() { # empty when gone, or a zombie nobody has reaped yet
  sed -n 's/^.*) //; /^[ZX]/!p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}
remember()  { printf '%s %s\n' "$2" "$(starttime "$2")" >"$LAB/run/$1.pid"; }
alive() { # name
  local pid st
  [ -s "$LAB/run/$1.pid" ] || return 1
  read -r pid st <"$LAB/run/$1.pid"
  [ -n "${st:-}" ] && [ "$(starttime "$pid")" = "$st" ]
}
end() { # name
  local pid st i
  alive "$1" || { rm -f "$LAB/run/$1.pid"; return 0; }
  read -r pid st <"$LAB/run/$1.pid"
  kill -TERM "$pid" 2>/dev/null || true
  for i in $(seq 1 100); do alive "$1" || break; sleep 0.1; done
  if alive "$1"; then kill -KILL "$pid" 2>/dev/null || true; fi
  rm -f "$LAB/run/$1.pid"
  say "stopped $1 (pid $pid)"
}
wait_port() { # port name
  local i
  for i in $(seq 1 100); do
    if (exec 3<>"/dev/tcp/$H/$1") 2>/dev/null; then return 0; fi
    alive "$2" || die "$2 died at start; see $LAB/log"
    sleep 0.1
  done
  die "$2 did not open port $1; see $LAB/log"
}
free_port() { if (exec 3<>"/dev/tcp/$H/$1") 2>/dev/null; then die "port $1 is taken"; fi; }

write_files() {
  local mods=/usr/lib/apache2/modules m
  # -- credentials for gss-ntlmssp: DOMAIN:USER:PASSWORD
  ( umask 077; printf '%s:%s:%s\n' "$G_DOM" "$G_USER" "$G_PASS" "$G_DOM" "$G_USER2" "$G_PASS2" \
      "$G_DOM" "$G_USER3" "$G_PASS3" >"$LAB/etc/ntlm-users" )
  chgrp www-data "$LAB/etc/ntlm-users"; chmod 640 "$LAB/etc/ntlm-users"

  # -- one self-signed certificate for every TLS port
  if [ ! -s "$LAB/etc/server.crt" ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj '/CN=localhost' \
      -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
      -keyout "$LAB/etc/server.key" -out "$LAB/etc/server.crt" 2>/dev/null
    chmod 600 "$LAB/etc/server.key"
  fi

  # -- content and an echo CGI: who, how many bytes, their hash, which connection
  mkdir -p "$LAB/www/data" "$LAB/www/cgi"
  printf 'hello from apache\n' >"$LAB/www/data/hello.txt"
  head -c 5242880 /dev/zero | tr '\0' 'A' >"$LAB/www/data/5mb.bin"
  cat >"$LAB/www/cgi/echo" <<'E'
#!/bin/sh
t=$(mktemp) || exit 1
cat >"$t"; n=$(wc -c <"$t"); s=$(sha256sum <"$t" | cut -d' ' -f1); rm -f "$t"
u=$(printf %s "$REMOTE_USER" | sed 's/[\\"]/\\&/g')
printf 'Content-Type: application/json\r\n\r\n'
printf '{"user":"%s","authType":"%s","mech":"%s","method":"%s","bytes":%d,"sha256":"%s","port":"%s","authHeaderSeen":%s}\n' \
  "$u" "$AUTH_TYPE" "$GSS_MECH" "$REQUEST_METHOD" "$n" "$s" "$REMOTE_PORT" \
  "$([ -n "$HTTP_AUTHORIZATION" ] && echo true || echo false)"
E
  chmod 755 "$LAB/www/cgi/echo"

  # -- apache
  printf 'text/plain txt\n' >"$LAB/etc/mime.types"
  {
    say "ServerRoot \"$LAB\""
    say "ServerName localhost"
    say "PidFile \"$LAB/run/apache-own.pid\""
    say "DefaultRuntimeDir \"$LAB/run\""
    say "User www-data"; say "Group www-data"
    say "ErrorLog \"$LAB/log/apache-error.log\""
    say "LogLevel warn auth_gssapi:debug"
    for m in mpm_event authn_core authz_core authz_user alias mime dir cgid env setenvif \
             log_config ssl socache_shmcb headers session session_cookie session_crypto auth_gssapi; do
      [ ! -e "$mods/mod_$m.so" ] || say "LoadModule ${m}_module $mods/mod_$m.so"
    done
    cat <<E
LogFormat "%p %{remote}p k=%k %r -> %>s auth=%{Authorization}i user=%u" lab
CustomLog "$LAB/log/apache-access.log" lab
StartServers 1
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
MinSpareThreads 5
MaxSpareThreads 25
KeepAlive On
KeepAliveTimeout 15
MaxKeepAliveRequests 1000
Timeout 30
TypesConfig $LAB/etc/mime.types
ScriptSock "$LAB/run/cgid.sock"
SSLSessionCache none
Listen $H:$P_HTTP
Listen $H:$P_HTTPS
DocumentRoot "$LAB/www/data"
SetEnvIf Request_URI "^/nokeepalive" nokeepalive
<Directory />
  AllowOverride None
  Require all denied
</Directory>
E
    local area
    for area in open ntlm ntlm-basic unbound nokeepalive; do
      say "ScriptAlias /$area/echo \"$LAB/www/cgi/echo\""
      say "Alias /$area/ \"$LAB/www/data/\""
    done
    say "<Directory \"$LAB/www\">"; say "  Require all granted"; say "</Directory>"
    say "<Location /open>"; say "  Require all granted"; say "</Location>"
    for area in ntlm ntlm-basic unbound nokeepalive; do
      cat <<E
<Location /$area>
  AuthType GSSAPI
  AuthName "ntlm lab"
  GssapiAllowedMech ntlmssp
  GssapiConnectionBound $([ $area = unbound ] && echo Off || echo On)
  GssapiBasicAuth $([ $area = ntlm-basic ] && echo On || echo Off)
  GssapiPublishErrors On
  GssapiPublishMech On
  Require valid-user
</Location>
E
    done
    local tls="SSLEngine On
  SSLCertificateFile \"$LAB/etc/server.crt\"
  SSLCertificateKeyFile \"$LAB/etc/server.key\""
    cat <<E
<VirtualHost $H:$P_HTTP>
</VirtualHost>
<VirtualHost $H:$P_HTTPS>
  $tls
</VirtualHost>
E
  } >"$LAB/etc/apache.conf"

  # -- samba: a stand-alone machine's own account database, no domain controller
  cat >"$LAB/etc/smb.conf" <<E
[global]
  workgroup = LABWG
  netbios name = $S_DOM
  server role = standalone server
  security = user
  passdb backend = tdbsam:$LAB/samba/private/passdb.tdb
  private dir = $LAB/samba/private
  lock directory = $LAB/samba/lock
  state directory = $LAB/samba/state
  cache directory = $LAB/samba/cache
  pid directory = $LAB/samba/run
  ncalrpc dir = $LAB/samba/run/ncalrpc
  winbindd socket directory = $WB_SOCK
  log file = $LAB/log/samba.%m
  log level = 1
  interfaces = 127.0.0.1
  bind interfaces only = yes
  disable netbios = yes
  load printers = no
  map to guest = never
  # default: only NTLMv2 is accepted (ntlm auth = ntlmv2-only)
  idmap config * : backend = tdb
  idmap config * : range = 100000-199999
E
  mkdir -p "$LAB"/samba/{private,lock,state,cache,run}
  chmod 700 "$LAB/samba/private"

  # -- squid: one process, two ports; a name that it alone resolves, since loopback needs no proxy
  printf '127.0.0.1 localhost ntlm.sidegate.test\n' >"$LAB/etc/hosts"
  cat >"$LAB/etc/squid.conf" <<E
http_port $H:$P_SQUID
http_port $H:$P_ACCEL accel defaultsite=$H:$P_ACCEL
visible_hostname ntlm-lab
hosts_file $LAB/etc/hosts
pid_filename $LAB/run/squid-own.pid
cache_log $LAB/log/squid-cache.log
access_log stdio:$LAB/log/squid-access.log
coredump_dir $LAB/squid
cache deny all
cache_mem 8 MB
pinger_enable off
netdb_filename none
shutdown_lifetime 1 seconds
client_persistent_connections on
server_persistent_connections on
request_body_max_size 0
auth_param ntlm program /usr/bin/ntlm_auth --configfile=$LAB/etc/smb.conf --helper-protocol=squid-2.5-ntlmssp
auth_param ntlm children 4 startup=1 idle=1
auth_param ntlm keep_alive on
cache_peer $H parent $P_HTTP 0 no-query originserver name=origin
acl accel_port localport $P_ACCEL
acl lab_dst dst $H/32
acl CONNECT method CONNECT
acl authed proxy_auth REQUIRED
cache_peer_access origin allow accel_port
cache_peer_access origin deny all
never_direct allow accel_port
always_direct allow !accel_port
http_access deny !lab_dst
http_access allow authed
http_access deny all
E
  mkdir -p "$LAB/squid"; chown proxy "$LAB/squid"

  # -- https acceptor that can demand channel bindings
  cat >"$LAB/etc/cbt.py" <<'E'
# Glue only: every NTLM, MIC and channel-binding decision is gss-ntlmssp's.
import base64, hashlib, json, os, ssl, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import gssapi
from gssapi.raw import ChannelBindings
NTLM = gssapi.OID.from_int_seq('1.3.6.1.4.1.311.2.2.10')
SPNEGO = gssapi.OID.from_int_seq('1.3.6.1.5.5.2')
host, port, crt, key = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
der = ssl.PEM_cert_to_DER_cert(open(crt).read())
CB = ChannelBindings(application_data=b'tls-server-end-point:' + hashlib.sha256(der).digest())
BOUND = 2048  # GSS_C_CHANNEL_BOUND_FLAG

class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = 30
    def setup(self):
        super().setup(); self.ctx = None; self.who = None; self.info = {}
    def log_message(self, f, *a):
        sys.stderr.write('%d %s\n' % (self.client_address[1], f % a)); sys.stderr.flush()
    def offers(self):
        return ('Negotiate',) if self.path.startswith('/negotiate') else ('Negotiate', 'NTLM')
    def reply(self, code, obj, *auth):
        b = (json.dumps(obj) + '\n').encode()
        self.send_response(code)
        for v in auth: self.send_header('WWW-Authenticate', v)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(b))); self.end_headers()
        self.wfile.write(b)
    def handle_any(self):
        n = int(self.headers.get('Content-Length') or 0); h = hashlib.sha256(); left = n
        while left:
            d = self.rfile.read(min(left, 65536))
            if not d: break
            h.update(d); left -= len(d)
        mode = self.path.split('/')[1]      # cbt-off | cbt-optional | cbt-required | negotiate
        a = self.headers.get('Authorization')
        if a is None and self.who and self.mode == mode:
            return self.reply(200, dict(self.info, user=self.who, bytes=n, sha256=h.hexdigest(), reused=True))
        if not a:
            return self.reply(401, {'error': 'no authorization'}, *self.offers())
        scheme, _, tok = a.partition(' ')
        scheme = {'ntlm': 'NTLM', 'negotiate': 'Negotiate'}.get(scheme.lower())
        if scheme not in self.offers():
            return self.reply(401, {'error': 'unknown scheme'}, *self.offers())
        try:
            tok = base64.b64decode(tok)
            if self.ctx is None or self.who:
                self.who = None
                self.ctx = gssapi.SecurityContext(usage='accept', creds=gssapi.Credentials(
                    usage='accept', mechs=[SPNEGO, NTLM]),
                    channel_bindings=None if mode == 'cbt-off' else CB)
                self.mode = mode
            out = self.ctx.step(tok)
        except Exception as e:
            self.ctx = None
            return self.reply(401, {'error': type(e).__name__ + ': ' + str(e)}, *self.offers())
        if not self.ctx.complete:
            return self.reply(401, {'error': 'continue'}, scheme + ' ' + base64.b64encode(out).decode())
        fl = int(self.ctx.actual_flags); bound = bool(fl & BOUND)
        user = str(self.ctx.initiator_name).rstrip('\0')
        if mode == 'cbt-required' and not bound:
            self.ctx = None
            return self.reply(401, {'error': 'channel binding required', 'user': user}, *self.offers())
        self.who = user
        self.info = {'scheme': scheme, 'channelBound': bound, 'gssFlags': fl, 'port': self.client_address[1], 'method': self.command}
        extra = [scheme + ' ' + base64.b64encode(out).decode()] if out else []
        self.reply(200, dict(self.info, user=user, bytes=n, sha256=h.hexdigest(), reused=False), *extra)
    do_GET = do_POST = do_PUT = do_HEAD = handle_any

# initiator_name of gss-ntlmssp carries a trailing NUL, stripped above
srv = ThreadingHTTPServer((host, port), Handler)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(crt, key)
srv.socket = c.wrap_socket(srv.socket, server_side=True, do_handshake_on_connect=False)
srv.daemon_threads = True
srv.serve_forever()
E
}

start() {
  [ "$(id -u)" = 0 ] || die "run as root (winbindd and the users of apache and squid need it)"
  mkdir -p "$LAB"/{etc,run,log,www,samba}
  : >"$LAB/.ntlm-lab"
  chmod 755 "$LAB" "$LAB"/{etc,run,log,www,samba}
  if alive apache && alive winbindd && alive squid && alive cbt; then
    say "already running"; return 0
  fi
  stop_all quiet
  local p; for p in $P_HTTP $P_HTTPS $P_SQUID $P_ACCEL $P_CBT; do free_port "$p"; done
  [ ! -S "$WB_SOCK/pipe" ] || die "$WB_SOCK/pipe exists: another winbindd runs here"
  write_files

  # names in the challenge; else gss-ntlmssp would ask our winbindd for them
  export LC_ALL=C.UTF-8 NTLM_USER_FILE="$LAB/etc/ntlm-users" NETBIOS_DOMAIN_NAME=$G_DOM NETBIOS_COMPUTER_NAME=LABWEB
  setsid /usr/sbin/apache2 -f "$LAB/etc/apache.conf" -DFOREGROUND \
    </dev/null >"$LAB/log/apache.out" 2>&1 & remember apache $!
  wait_port "$P_HTTP" apache; wait_port "$P_HTTPS" apache

  # idempotent: sets the password when the account is there already
  printf '%s\n%s\n' "$S_PASS" "$S_PASS" | smbpasswd -c "$LAB/etc/smb.conf" -s -a "$S_USER" >"$LAB/log/smbpasswd.out" 2>&1
  mkdir -p /run/samba
  setsid /usr/sbin/winbindd -s "$LAB/etc/smb.conf" -F --no-process-group \
    </dev/null >"$LAB/log/winbindd.out" 2>&1 & remember winbindd $!
  local i
  for i in $(seq 1 100); do [ ! -S "$LAB/samba/state/winbindd_privileged/pipe" ] || break; sleep 0.1; done
  chgrp proxy "$LAB/samba/state/winbindd_privileged"; chmod 750 "$LAB/samba/state/winbindd_privileged"

  touch "$LAB/log/squid-cache.log" "$LAB/log/squid-access.log"
  chown proxy "$LAB/log/squid-cache.log" "$LAB/log/squid-access.log"
  ( cd "$LAB/squid" && exec setsid /usr/sbin/squid -N -f "$LAB/etc/squid.conf" -n ntlmlab$$ ) \
    </dev/null >"$LAB/log/squid.out" 2>&1 & remember squid $!
  wait_port "$P_SQUID" squid; wait_port "$P_ACCEL" squid

  setsid /usr/bin/python3 "$LAB/etc/cbt.py" "$H" "$P_CBT" \
    "$LAB/etc/server.crt" "$LAB/etc/server.key" </dev/null >"$LAB/log/cbt.out" 2>&1 & remember cbt $!
  wait_port "$P_CBT" cbt
}

stop_all() {
  local n had=; for n in cbt squid winbindd apache; do [ ! -e "$LAB/run/$n.pid" ] || had=1; end "$n"; done
  # the socket directory is ours only if our winbindd made it
  if [ -n "$had" ] && [ -d "$WB_SOCK" ] && ! [ -S "$WB_SOCK/pipe" ]; then rmdir "$WB_SOCK" 2>/dev/null || true; fi
  if [ -n "$had" ] && [ -S "$WB_SOCK/pipe" ]; then rm -f "$WB_SOCK/pipe"; rmdir "$WB_SOCK" 2>/dev/null || true; fi
  [ -n "$had" ] || [ "${1:-}" = quiet ] || say "nothing was running"
}

case "${1:-}" in
  start) start ;; stop) stop_all ;;
  *) sed -n '2,18p' "$0" | sed 's/^# \{0,1\}//'; exit 2 ;;
esac
