# What Shoal's Dockerfile is built on: npm, and what it would otherwise install.
FROM localhost/shoal-e2e-base
RUN apt-get update \
 && apt-get install -y --no-install-recommends libcap2-bin binutils libatomic1 && rm -rf /var/lib/apt/lists/*
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/npm
RUN ln -s ../lib/npm/bin/npm-cli.js /usr/local/bin/npm
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt npm_config_prefer_offline=true
