package main

import (
	"fmt"
	"image/color"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// sideColors tell the sides apart, in every chart, also without red and green.
var sideColors = map[string]color.Color{
	sideGateway:  color.RGBA{0x00, 0x5f, 0xa8, 0xff},
	sideRelay:    color.RGBA{0xe6, 0x8a, 0x00, 0xff},
	sideBatching: color.RGBA{0x8c, 0x56, 0xa8, 0xff},
	sideBaseline: color.RGBA{0x80, 0x80, 0x80, 0xff},
}

// drawTable draws the ratios of a run as bars, the first work on top.
func (r *report) drawTable(file string) error {
	p := plot.New()
	p.Title.Text = "gateway to relay and to baseline; shorter is better, 1 is equal"
	p.X.Min = 0
	lines := slices.Clone(r.Works)
	slices.Reverse(lines)
	names := make([]string, len(lines))
	for i, line := range lines {
		names[i] = line.Title
	}
	const width = 5
	for i, side := range []string{sideBaseline, sideRelay} {
		values := make(plotter.Values, len(lines))
		for k, line := range lines {
			values[k] = line.Ratios[side].Median // 0, no bar, where there is none
		}
		if len(values) == 0 {
			continue
		}
		bars, err := plotter.NewBarChart(values, vg.Points(width))
		if err != nil {
			return fmt.Errorf("drawing %s: %w", file, err)
		}
		bars.Horizontal, bars.Offset = true, vg.Points(width*(float64(i)-0.5))
		bars.Color, bars.LineStyle.Width = sideColors[side], 0
		p.Add(bars)
		p.Legend.Add("/"+side, bars)
	}
	p.NominalY(names...)
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	return p.Save(24*vg.Centimeter, vg.Length(len(lines)+3)*0.75*vg.Centimeter, file)
}

// drawCurves draws one chart for each figure of each curve that was measured.
func (r *report) drawCurves(dir string) error {
	for _, c := range curves {
		for _, f := range c.figures() {
			series := r.series(&c, f.name)
			if len(series) == 0 {
				continue
			}
			if err := drawCurve(filepath.Join(dir, curveFile(&c, &f)), &c, &f, series); err != nil {
				return err
			}
		}
	}
	return nil
}

func curveFile(c *curve, f *figure) string { return c.name + "-" + f.name + ".svg" }

// drawCurve draws lines on logarithmic axes.
func drawCurve(file string, c *curve, f *figure, series map[string][][2]float64) error {
	p := plot.New()
	p.Title.Text = c.name + ": " + f.name
	p.X.Label.Text, p.Y.Label.Text = c.axis, f.unit
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	for _, side := range scaleSides {
		points := make(plotter.XYs, 0, len(series[side]))
		for _, at := range series[side] {
			points = append(points, plotter.XY{X: at[0], Y: at[1]})
		}
		if len(points) == 0 {
			continue
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("drawing %s: %w", file, err)
		}
		line.Color, line.Width = sideColors[side], vg.Points(1.5)
		marks.Color, marks.Shape = sideColors[side], draw.CircleGlyph{}
		p.Add(line, marks)
		p.Legend.Add(side, line, marks)
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	return p.Save(14*vg.Centimeter, 9*vg.Centimeter, file)
}
