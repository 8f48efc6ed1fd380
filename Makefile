# The front door. Each target says what it does; CI calls the same ones.
# Everything is compiled in one way, so that the tests, the linters and the binary that
# the tests build share what one of them has compiled.
export GOFLAGS := -trimpath -tags=nomsgpack
SERVICES := $(wildcard service/*/sqlc.yaml)

.PHONY: run build test fuzz lint generate check-generated bench web install

run: ## the whole thing with embedded stores, the sandbox and demo data
	go run ./cmd/demo

build: ## the production binary, bin/kaimenhong
	CGO_ENABLED=0 go build -ldflags "-s -w" -o bin/kaimenhong ./cmd/kaimenhong

install: ## what the tests need and this machine lacks
	.ci/install

test: install ## every test, on private MariaDB and Redis, and the pages in a browser
	.ci/with-stores .ci/test

# Compilers and linters live for seconds and, with a larger heap, take a quarter less of
# the processors. Tests keep the garbage collector that production has.
lint generate: export GOGC = 400
lint generate: export GOMEMLIMIT = 3GiB

lint: ## formatting, vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	go vet ./...
	go -C tools build -o ../bin/ honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck ./...

generate: ## the code that is made from SQL, and the pages
	go -C tools build -o ../bin/ github.com/sqlc-dev/sqlc/cmd/sqlc
	@for f in $(SERVICES); do (cd $$(dirname $$f) && "$(CURDIR)/bin/sqlc" generate) || exit 1; done
	$(MAKE) web

web: web/node_modules/.package-lock.json ## the console and the phone, built into web/dist
	cd web && npm run build

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	touch $@

check-generated: generate ## what is generated is what is committed
	@test -z "$$(git status --porcelain)" || { git status --porcelain; git diff --stat; echo "commit what 'make generate' made"; exit 1; }

FUZZTIME ?= 10s
fuzz: ## every reader of outside input meets nonsense, 10 s each
	@grep -rl '^func Fuzz' --include='*_test.go' --exclude-dir=web --exclude-dir=node_modules . | while read -r f; do \
		for one in $$(grep -oE '^func Fuzz[A-Za-z0-9]*' "$$f" | cut -d' ' -f2); do \
			echo "$$one in $$(dirname "$$f")"; \
			go test -run '^$$' -fuzz "^$$one\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$f")" || exit 1; \
		done; \
	done

bench: ## side by side with its peers, as ratios
	KMH_TEST_FLUSH=1 .ci/with-stores go run ./bench -json
