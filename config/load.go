package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// FileVariable names the YAML file, where the command line does not.
const FileVariable = "KMH_CONFIG"

const (
	prefix     = "KMH_"
	fileSuffix = "_FILE"
	// testPrefix names where tests find their servers; it is no setting.
	testPrefix = "KMH_TEST_"
	// maxSecretFile bounds what is read from a secret's file.
	maxSecretFile = 64 << 10
)

// Load reads the YAML file at path ("" for none) and then the environment, given
// as os.Environ gives it. The error joins every mistake that was found; it names
// settings and never repeats a value.
func Load(path string, environ []string) (Config, error) {
	cfg := Default()
	ko := koanf.New(".")
	if path != "" {
		if err := ko.Load(file.Provider(path), yaml.Parser()); err != nil {
			return cfg, fmt.Errorf("read the configuration %s: %w", path, err)
		}
	}
	kinds := settings()
	mistakes := unknown(ko, kinds)
	values, wrong := fromEnviron(environ, kinds)
	mistakes = append(mistakes, wrong...)
	if err := ko.Load(confmap.Provider(values, "."), nil); err != nil {
		return cfg, fmt.Errorf("read the environment: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(kinds)) {
		if err := decode(ko, key, &cfg); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	mistakes = append(mistakes, cfg.check()...)
	return cfg, errors.Join(mistakes...)
}

// settings maps each key, as section.key, to its type.
func settings() map[string]reflect.Type {
	kinds := map[string]reflect.Type{}
	top := reflect.TypeFor[Config]()
	for i := range top.NumField() {
		section := top.Field(i)
		for j := range section.Type.NumField() {
			f := section.Type.Field(j)
			kinds[section.Tag.Get("koanf")+"."+f.Tag.Get("koanf")] = f.Type
		}
	}
	return kinds
}

// EnvironName is the environment's name of a setting: http.addr → KMH_HTTP_ADDR.
func EnvironName(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func unknown(ko *koanf.Koanf, kinds map[string]reflect.Type) (mistakes []error) {
	for _, key := range ko.Keys() {
		if _, ok := kinds[key]; !ok {
			mistakes = append(mistakes, fmt.Errorf("%s is no setting; config/example.yaml lists them all", key))
		}
	}
	return mistakes
}

func fromEnviron(environ []string, kinds map[string]reflect.Type) (map[string]any, []error) {
	byName := map[string]string{}
	for key := range kinds {
		byName[EnvironName(key)] = key
	}
	values := map[string]any{}
	var mistakes []error
	given := map[string]string{} // the name by which a setting came
	take := func(key, name string, value any) {
		if other, twice := given[key]; twice {
			mistakes = append(mistakes, fmt.Errorf("%s and %s are both set: keep one", min(name, other), max(name, other)))
		}
		given[key], values[key] = name, value
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, prefix) || strings.HasPrefix(name, testPrefix) || name == FileVariable {
			continue
		}
		if key, ok := byName[name]; ok {
			take(key, name, split(kinds[key], value))
			continue
		}
		key, ok := byName[strings.TrimSuffix(name, fileSuffix)]
		if !ok || kinds[key] != reflect.TypeFor[Secret]() {
			mistakes = append(mistakes, fmt.Errorf("%s is no setting; config/example.yaml lists them all", name))
			continue
		}
		content, err := readSecret(value)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %w", name, err))
			continue
		}
		take(key, name, content)
	}
	return values, mistakes
}

// split turns a,b into two values where a list is expected.
func split(kind reflect.Type, value string) any {
	if kind.Kind() != reflect.Slice {
		return value
	}
	parts := []string{}
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("the secret's file cannot be opened: %w", unnamed(err))
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("the secret's file cannot be read: %w", unnamed(err))
	}
	if len(content) > maxSecretFile {
		return "", fmt.Errorf("the secret's file is larger than %d bytes", maxSecretFile)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

// unnamed is an error without the path: whoever mistook the variable wrote the secret.
func unnamed(err error) error {
	var about *os.PathError
	if errors.As(err, &about) {
		return about.Err
	}
	return err
}

// decode sets one setting, so that one mistake does not hide the next.
func decode(ko *koanf.Koanf, key string, cfg *Config) error {
	if !ko.Exists(key) {
		return nil
	}
	kind, value := settings()[key], ko.Get(key)
	if _, text := value.(string); kind == reflect.TypeFor[Secret]() && value != nil && !text {
		return fmt.Errorf("%s (%s): write it in quotes, for without them YAML reads a number or a date", key, EnvironName(key))
	}
	section, name, _ := strings.Cut(key, ".")
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: cfg, TagName: "koanf", WeaklyTypedInput: true,
		DecodeHook: mapstructure.StringToTimeDurationHookFunc(),
	})
	if err != nil {
		return err
	}
	if err := decoder.Decode(map[string]any{section: map[string]any{name: value}}); err != nil {
		// The decoder's error quotes the value, which may be a secret.
		return fmt.Errorf("%s (%s): a value of type %s is expected", key, EnvironName(key), kind)
	}
	return nil
}
