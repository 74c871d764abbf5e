# An image with one static program and CA certificates, nothing else. docker build -t iter8 .
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates musl-tools \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Shown by `iter8 version`; the build has no git to ask. SOURCE_DATE_EPOCH is the time of the commit.
ARG ITER8_COMMIT
ARG SOURCE_DATE_EPOCH
# Builds for the machine's architecture; /image has the same layout on all of them.
RUN target="$(uname -m)-unknown-linux-musl" \
    && rustup target add "$target" \
    && cargo build --profile dist --locked --target "$target" \
    && install -D "target/$target/dist/iter8" /image/iter8 \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

FROM scratch
COPY --from=build /image /
# Nobody. Any user works: the program writes no file of the image.
USER 65532:65532
ENTRYPOINT ["/iter8"]
