# usaged in a container. Settings come from the environment (`docker run usaged --help` lists them), secrets from files:
# USAGED_DATABASE_URL_FILE=/run/secrets/database-url. `migrate`, `topics` and the other commands are arguments.

FROM debian:12-slim AS build
WORKDIR /src
COPY tests/install.sh tests/install.sh
RUN tests/install.sh build
COPY Makefile Makefile
COPY schemas schemas
COPY migrations migrations
COPY service service
RUN make build

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl libavro23 libcurl4 libjansson4 libmicrohttpd12 \
    libpq5 librdkafka1 libssl3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/build/usaged /usr/local/bin/usaged
# Outside of a container both are on loopback.
ENV USAGED_HTTP_LISTEN=*:8635 \
    USAGED_OPERATE_LISTEN=*:8636
EXPOSE 8635 8636
USER 10001:10001
# Alive, not ready: a service that waits for its database must not be killed for it.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD curl -fsS -o /dev/null http://127.0.0.1:8636/healthz
ENTRYPOINT ["usaged"]
CMD ["run"]
