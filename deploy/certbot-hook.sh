#!/bin/sh
# Gives malla a copy of a certificate that certbot keeps where only root may look. certbot runs it after
# each renewal; malla takes the new pair within half a minute, without a restart.
#
#   install -m 0755 deploy/certbot-hook.sh /etc/letsencrypt/renewal-hooks/deploy/malla
#   RENEWED_LINEAGE=/etc/letsencrypt/live/vpn.example.org /etc/letsencrypt/renewal-hooks/deploy/malla
#
# The second line is for the certificate that is there already. In config.yaml:
#
#   tls_cert_path: /etc/malla/tls/cert.pem
#   tls_key_path: /etc/malla/tls/key.pem
set -eu

folder=${MALLA_TLS_FOLDER:-/etc/malla/tls}
group=${MALLA_GROUP:-malla}

install -d -m 0750 -g "$group" "$folder"
install -m 0640 -g "$group" "$RENEWED_LINEAGE/privkey.pem" "$folder/key.pem.new"
install -m 0640 -g "$group" "$RENEWED_LINEAGE/fullchain.pem" "$folder/cert.pem.new"
mv "$folder/key.pem.new" "$folder/key.pem"
mv "$folder/cert.pem.new" "$folder/cert.pem"
