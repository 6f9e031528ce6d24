// Calculates sheets with HyperFormula: {"sheets": {name: [[cell]]}, "names": {name: "=formula"}} in, {name: [[value]]} out.
// Its own rounding of results is turned off, so that every digit is compared.
"use strict";

const { HyperFormula } = require("hyperformula");

if (process.argv[2] === "--version") {
  console.log(HyperFormula.version);
} else {
  const { sheets, names } = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const expressions = Object.entries(names).map(([name, expression]) => ({ name, expression }));
  const options = { licenseKey: "gpl-v3", smartRounding: false, useArrayArithmetic: true };
  const engine = HyperFormula.buildFromSheets(sheets, options, expressions);
  const values = engine.getAllSheetsValues();
  const plain = (value) => (value !== null && typeof value === "object" ? value.value : value);
  const rows = Object.entries(values).map(([name, sheet]) => [name, sheet.map((row) => row.map(plain))]);
  process.stdout.write(JSON.stringify(Object.fromEntries(rows)));
}
