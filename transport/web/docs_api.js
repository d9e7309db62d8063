/* Lists what /openapi.json describes: operations by tag, their parameters, bodies and
   answers, and the schemas. Everything is put in as text, never as HTML. */
"use strict";
(() => {
  const METHODS = ["get", "post", "put", "patch", "delete"];
  const DEEPEST = 8; // levels of a schema that are written out

  const $ = id => document.getElementById(id);

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      element.setAttribute(name, value);
    }
    element.append(...children.filter(child => child !== null && child !== ""));
    return element;
  }

  const slug = text => text.toLowerCase().replace(/[^a-z0-9]+/g, "-");

  function resolve(api, node) {
    let found = node ?? {};
    for (let hops = 0; found.$ref && hops < DEEPEST; hops += 1) {
      found = found.$ref.split("/").slice(1).reduce(
        (place, key) => place?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], api,
      ) ?? {};
    }
    return found;
  }

  /* One line for a schema: "integer, 1 to 100", "string | null", "PaymentView". */
  function brief(schema = {}) {
    if (schema.$ref) return schema.$ref.split("/").pop();
    const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
    if (choices) return choices.map(brief).join(" | ");
    if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(" | ");
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    const type = [schema.type ?? "any"].flat().join(" | ");
    if (type === "array") return `array of ${brief(schema.items)}`;
    return [type, ...limits(schema)].join(", ");
  }

  function limits(schema) {
    const { minimum, maximum, minLength, maxLength, pattern, format } = schema;
    const said = [];
    if (format) said.push(format);
    if (minimum !== undefined) said.push(`from ${minimum}`);
    if (maximum !== undefined) said.push(`to ${maximum}`);
    if (minLength !== undefined) said.push(`at least ${minLength} characters`);
    if (maxLength !== undefined) said.push(`at most ${maxLength} characters`);
    if (pattern) said.push(`like ${pattern}`);
    return said;
  }

  function fields(schema) {
    const rows = Object.entries(schema.properties ?? {}).map(([name, field]) =>
      make("tr", {},
        make("td", {}, make("code", {}, name),
          (schema.required ?? []).includes(name) ? " required" : ""),
        make("td", {}, brief(field)),
        make("td", {}, field.description ?? "",
          field.default === undefined ? "" : ` Default ${JSON.stringify(field.default)}.`)));
    return table(["Field", "Type", "Meaning"], rows);
  }

  function table(heads, rows) {
    const head = make("tr", {}, ...heads.map(text => make("th", { scope: "col" }, text)));
    return make("div", { class: "table", tabindex: "0" },
      make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  function schemaOf(api, schema, depth = 0) {
    const whole = resolve(api, schema);
    if (whole.properties) return fields(whole);
    if (whole.type === "array" && depth < DEEPEST) {
      return make("div", {}, make("p", {}, brief(whole)), schemaOf(api, whole.items, depth + 1));
    }
    return make("p", {}, brief(schema));
  }

  function content(api, body) {
    return Object.entries(body.content ?? {}).flatMap(([type, { schema, example }]) => [
      make("p", {}, make("code", {}, type), schema?.$ref ? " " : "",
        schema?.$ref ? link(schema) : ""),
      schema ? schemaOf(api, schema) : "",
      example === undefined ? "" : make("pre", { tabindex: "0", class: "example" }, JSON.stringify(example, null, 2)),
    ]);
  }

  function link(schema) {
    const name = brief(schema);
    return make("a", { href: `#schema-${slug(name)}` }, name);
  }

  function parameters(api, list) {
    if (!list.length) return "";
    const rows = list.map(item => resolve(api, item)).map(item =>
      make("tr", {},
        make("td", {}, make("code", {}, item.name), item.required ? " required" : ""),
        make("td", {}, item.in),
        make("td", {}, brief(item.schema)),
        make("td", {}, item.description ?? item.schema?.description ?? "")));
    return make("div", {}, make("h4", {}, "Parameters"),
      table(["Name", "In", "Type", "Meaning"], rows));
  }

  function answers(api, responses) {
    const rows = Object.entries(responses ?? {}).map(([status, reference]) => {
      const answer = resolve(api, reference);
      const said = Object.entries(answer.content ?? {}).map(([type, { schema }]) =>
        make("div", {}, `${type} `, schema?.$ref ? link(schema) : schema ? brief(schema) : ""));
      return make("tr", {}, make("td", {}, make("code", {}, status)),
        make("td", {}, answer.description ?? ""), make("td", {}, ...said));
    });
    return make("div", {}, make("h4", {}, "Answers"),
      table(["Status", "When", "Content"], rows));
  }

  function operation(api, { method, path, shared, spec }) {
    const id = slug(`${method}-${path}`);
    const body = spec.requestBody ? resolve(api, spec.requestBody) : null;
    const locked = (spec.security ?? api.security ?? []).some(s => Object.keys(s).length);
    return make("details", { id },
      make("summary", {},
        make("h3", {}, make("span", { class: "method" }, method.toUpperCase()), " ",
          make("code", {}, path)),
        make("span", {}, spec.summary ?? "")),
      spec.description && spec.description !== spec.summary
        ? make("p", {}, spec.description) : "",
      make("p", {}, locked ? "Needs an API key: Authorization: Bearer …" : "Needs no key."),
      parameters(api, [...shared, ...(spec.parameters ?? [])]),
      body ? make("div", {}, make("h4", {}, "Body"), ...content(api, body)) : "",
      answers(api, spec.responses));
  }

  function operations(api) {
    const groups = new Map((api.tags ?? []).map(({ name }) => [name, []]));
    for (const [path, item] of Object.entries(api.paths ?? {})) {
      for (const method of METHODS.filter(name => item[name])) {
        const spec = item[method];
        const tag = spec.tags?.[0] ?? "operations";
        if (!groups.has(tag)) groups.set(tag, []);
        groups.get(tag).push({ method, path, spec, shared: item.parameters ?? [] });
      }
    }
    return groups;
  }

  function show(api) {
    $("about").textContent =
      `${api.info?.description ?? ""} Version ${api.info?.version ?? "unknown"}.`;
    const contents = make("ul");
    for (const [tag, list] of operations(api)) {
      if (!list.length) continue;
      const about = (api.tags ?? []).find(({ name }) => name === tag)?.description;
      $("operations").append(make("h2", {}, tag), about ? make("p", {}, about) : "",
        ...list.map(item => operation(api, item)));
      contents.append(...list.map(({ method, path }) => make("li", {},
        make("a", { href: "#" + slug(`${method}-${path}`) }, `${method.toUpperCase()} ${path}`))));
    }
    $("operation-list").append(contents);
    const schemas = Object.entries(api.components?.schemas ?? {});
    if (schemas.length) $("operations").append(make("h2", {}, "Schemas"));
    for (const [name, schema] of schemas) {
      $("operations").append(make("details", { id: `schema-${slug(name)}` },
        make("summary", {}, make("h3", {}, name)),
        schema.description ? make("p", {}, schema.description) : "",
        schemaOf(api, schema)));
    }
    reveal();
  }

  function reveal() {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.tagName !== "DETAILS") return;
    target.open = true;
    target.scrollIntoView();
  }

  addEventListener("hashchange", reveal);
  fetch("../openapi.json", { headers: { Accept: "application/json" } })
    .then(answer => {
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      return answer.json();
    })
    .then(show)
    .catch(error => {
      $("about").textContent = `/openapi.json could not be read: ${error.message}`;
    });
})();
