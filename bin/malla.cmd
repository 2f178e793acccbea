@echo off
rem malla for Windows: what the script `malla` beside it does elsewhere.
if not defined NODE_COMPILE_CACHE set "NODE_COMPILE_CACHE=%~dp0..\node_modules\.cache\malla"
"%~dp0node.cmd" --disable-warning=ExperimentalWarning --max-semi-space-size=2 --v8-pool-size=1 "%~dp0..\apps\cli\src\main.ts" %*
