import { get } from "./api.js";
import { colourTable, spreadOf } from "./colour_table.js";
import { decode, sideCodes } from "./packed.js";
import { cssColour } from "./palettes.js";
import { PriceChart } from "./price_chart.js";
import { Raster } from "./raster.js";
import { State } from "./state.js";
const byId=(id)=>document.getElementById(id);
const optionsOf=(id)=>[...byId(id).options].map(o=>o.value).filter(Boolean);
const symbols=optionsOf("symbol");
const state=new State({symbol:symbols.includes("BTCUSDT")?"BTCUSDT":symbols[0]??"BTCUSDT",windows:optionsOf("window"),window:document.body.dataset.defaultWindow,intervals:optionsOf("interval"),models:optionsOf("model")});
const chart=new PriceChart(byId("chart"));
window.chart=chart;
async function load(){
  const v=state.values; byId("symbol").value=v.symbol; byId("window").value=v.window;
  const {bytes}=await get("/liquidations/heatmap-timeseries",{symbol:v.symbol,time_window:v.window,format:"packed",interval:v.interval});
  const grid=decode(bytes); const codes=sideCodes(grid,v.side); const s=spreadOf(codes,grid); console.debug(s);
  const raster=new Raster(codes,grid.columns,grid.rows); raster.paint(colourTable(grid,v.palette,v.scale,s.maximum*(v.threshold??s.threshold)));
  chart.setGrid(grid); chart.showCandles(true); chart.showHeat(raster,[],cssColour(v.palette,0)); chart.fit(); document.body.dataset.drawn="1";
}
for (const id of ["symbol","window"]) byId(id).addEventListener("change",e=>state.set({[id]:e.target.value}));
state.onChange(load); load();
