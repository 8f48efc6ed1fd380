-- +goose Up
-- A retired template may be registered anew, with what WeChat shows now.
DROP INDEX material_template_name /*! ON material_template */;
