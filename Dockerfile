# The production binary, static, as an unprivileged user, alone in its image.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/bin/kaimenhong /kaimenhong
COPY --from=build /src/config/example.yaml /etc/kaimenhong/example.yaml
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["/kaimenhong", "healthy"]
ENTRYPOINT ["/kaimenhong"]
CMD ["serve"]
