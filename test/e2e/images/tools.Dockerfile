# Everything that pods of the test run besides Shoal: a web server, other DNS servers, and clients.
FROM localhost/shoal-e2e-base
RUN apt-get update \
 && apt-get install -y --no-install-recommends nginx-light dnsmasq-base knot bind9-dnsutils dnsperf curl iproute2 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc /usr/share/man /usr/share/locale \
 && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
