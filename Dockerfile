# The image: one static program on nothing else. docker build -t iter8 .
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates musl-tools \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The target is that of the machine; its directory gets a name that is the same on all.
RUN target="$(uname -m)-unknown-linux-musl" \
    && rustup target add "$target" \
    && cargo build --profile dist --locked --target "$target" \
    && install -D "target/$target/dist/iter8" /image/iter8 \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

FROM scratch
COPY --from=build /image /
# Nobody: any user will do, as no file of the image is written.
USER 65532:65532
ENTRYPOINT ["/iter8"]
